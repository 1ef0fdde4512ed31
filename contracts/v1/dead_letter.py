"""What an operator decided about a message that a queue gave up."""

from contracts.base import LetterId, Payload, Text, Timestamp


class DeadLetterRequeued(Payload):
    """Somebody who may wants the message published again, as it was; it is a dead letter no longer then."""

    letter_id: LetterId
    requeued_at: Timestamp
    requeued_by: Text = ""


class DeadLetterDropped(Payload):
    """Somebody who may wants the message forgotten."""

    letter_id: LetterId
    dropped_at: Timestamp
    dropped_by: Text = ""
