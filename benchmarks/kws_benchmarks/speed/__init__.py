"""What listening costs: CPU, memory and start-up, beside others that spot words."""
