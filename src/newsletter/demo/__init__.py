"""One month, for real, in a scratch copy: `newsletter demo`.

    copy and shift to today -> build -> web and inbox up -> readers sign up
    -> import 200 more -> draft -> approve -> send -> one leaves -> second send
    is refused -> the sum

Every step is the product's own: the forms over HTTP, the importer, the gates,
the ledger, SMTP to a local inbox. Nothing here is reachable from outside this
machine, and the publication it was started in is only read.
"""
