"""E-mail alerts through SendGrid's API: the kind `sendgrid` of alert-core."""
