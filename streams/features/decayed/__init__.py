"""Windows that fade: a fixed size for each entity, for streams with tens of millions of them."""
