"""The manager's choice among hold, scout, promote, release and rollback: three policies behind one interface."""
