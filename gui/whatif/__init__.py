"""What if the limits were others: recorded parts are judged again, and a change is saved with its reason."""
