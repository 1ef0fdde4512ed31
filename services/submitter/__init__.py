"""The write door: takes images over HTTP and from cameras, checks their structure, publishes one message each."""
