"""The operator's desktop. Logic is plain Python in controllers; widgets show it; what waits runs on worker threads."""
