"""E-mail alerts through Resend's API: the kind `resend` of alert-core."""
