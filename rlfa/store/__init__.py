"""What is kept in SQL: ledger, agents, rewards."""
