"""When things recur: cron expressions, intervals, and the times that follow from them. Pure."""
