"""When things recur: cron expressions, calendars, intervals, and the times that follow from them. Pure."""
