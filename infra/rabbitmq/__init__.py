"""RabbitMQ's users, each allowed what its service needs."""
