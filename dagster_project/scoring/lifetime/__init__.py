"""What customers are worth from now on: purchase and margin models, rhythm, churn warnings."""
