"""What refconv's speed is, measured against others on the same cores in the same run."""
