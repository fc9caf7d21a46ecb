"""Code that connectors need again and again, as modules to import, or to copy next to a connector.py.

    module     what for                                                                 needs
    ---------  -----------------------------------------------------------------------  -----------
    settings   argument, configuration, environment or default, typed                   -
    http       one API: base URL, retry, rate limit, typed errors, secrets kept secret  retry
    downloads  files over HTTP: whole or an error, resumed where they broke             http, retry
    auth       API key, basic, bearer, session token, OAuth 2.0, AWS                    http, retry
    paging     page number, offset, keyset, cursor, next URL, Link header               http, retry
    retry      backoff and jitter; a rate limit that threads share                      -
    threads    bounded parallel fetch with safe checkpoints                             -
    cursors    watermarks, time windows, newest-first feeds                             -
    keys       stable hashes and record ids                                             -
    flatten    nested objects to columns and child tables                               -
    records    raw record beside mapped columns; quarantine for bad rows; exact numbers -
    tables     a list of records as one Arrow table, nothing dropped                    -
    infer      schema() from sample records                                             -
    sql        rows from a database in batches; as Arrow, `tables` is needed too        cursors
    files      csv, JSON lines, Parquet, XML, Excel, gzip and zip, streamed             -
    s3         objects of a bucket, incrementally                                       -

No module imports headwater. To run on Fivetran, copy this file, the module and those it needs into a folder
`sdk_helpers/` beside connector.py. A lone `http.py` there would hide Python's own, and a folder without this
file comes after any installed one.
"""
