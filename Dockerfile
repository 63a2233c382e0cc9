# The logstv command, for a machine that has a Cassandra elsewhere (see docker-compose.yml).
# Built on no machine of ours yet: docs/operations.md says what is unverified.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements/run.lock requirements/run.lock
RUN python -m venv /opt/logstv && /opt/logstv/bin/pip install --no-cache-dir --require-hashes -r requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY schema schema
COPY store store
COPY ingest ingest
COPY app app
COPY logstv logstv
RUN /opt/logstv/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
RUN useradd --system --create-home --home-dir /var/lib/logstv logstv
COPY --from=build /opt/logstv /opt/logstv
ENV PATH=/opt/logstv/bin:$PATH LOGSTV_DATA_DIR=/var/lib/logstv
USER logstv
EXPOSE 8025
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8025/healthz', timeout=4)"]
ENTRYPOINT ["logstv"]
CMD ["api", "--host", "0.0.0.0"]
