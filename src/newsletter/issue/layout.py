"""An Issue becomes an Edition: MJML laid out once, content put into its slots."""
