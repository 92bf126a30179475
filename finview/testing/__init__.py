"""What tests of finview and of its plugins share; nothing else imports it."""
