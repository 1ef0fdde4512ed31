# RabbitMQ from Debian's own packages, on a root that offline.sh made.
ARG BASE
FROM ${BASE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends rabbitmq-server \
    && apt-get clean && rm -rf /var/lib/apt/lists/* \
    && rm -rf /var/lib/rabbitmq/.erlang.cookie /var/lib/rabbitmq/mnesia
ENV HOME=/var/lib/rabbitmq PATH=/usr/lib/rabbitmq/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
VOLUME /var/lib/rabbitmq
EXPOSE 5672 15672
USER rabbitmq
WORKDIR /var/lib/rabbitmq
CMD ["rabbitmq-server"]
