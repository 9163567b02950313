"""Kafka, behind two small interfaces: a source and a sink."""
