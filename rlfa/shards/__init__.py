"""The windows of entities that lanes share, kept apart from the lanes: each in one shard, by the hash of its key."""
