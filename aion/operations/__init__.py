"""The verbs: one a file. Client, admin, API and commands all call these, so each rule stands once.

Every operation that changes something runs in one transaction on Aion's database and joins the caller's.
Bells ring after the commit; a lost bell costs latency only.
"""
