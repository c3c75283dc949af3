"""What can be done with schedules: one verb a file."""
