"""Who watches: the KuaiRand schema and loader, the user models, their fit, and the World that holds them."""
