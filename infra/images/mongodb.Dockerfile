# MongoDB from the mongod that a PyPI wheel brings, on a root that offline.sh made.
ARG BASE
FROM ${BASE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends libcurl4 liblzma5 libssl3 \
    && apt-get clean && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /data mongodb && install -d -o mongodb -g mongodb /data/db
COPY mongod /usr/local/bin/mongod
VOLUME /data/db
EXPOSE 27017
USER mongodb
CMD ["mongod", "--bind_ip_all"]
