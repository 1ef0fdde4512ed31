"""The Bus port on RabbitMQ 3.10 and later, by aio-pika.

Only aio-pika's connection is used, and the channels beneath it: its robust layer reconnects behind our back, hangs
while it does, and hands out deliveries of dead channels. What reconnects here is `link` and `subscription`.
"""
