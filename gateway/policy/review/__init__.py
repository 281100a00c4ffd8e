"""What people read about a policy: what is wrong with it, what it does, what a change would do."""
