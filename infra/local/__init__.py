"""A RabbitMQ and a MongoDB of one's own as plain processes: for development (`make servers`) and for the tests."""
