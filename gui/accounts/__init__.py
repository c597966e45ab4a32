"""Who may sign in, who is signed in, and the audit log of what persons changed."""
