"""One unit of stream work: a batch of records in, a batch of decisions out."""
