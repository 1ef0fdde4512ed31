# Debian's Docker Compose, for compose.sh to take out, on a root that offline.sh made.
ARG BASE
FROM ${BASE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends docker-compose \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
CMD ["/usr/libexec/docker/cli-plugins/docker-compose"]
