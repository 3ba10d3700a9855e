"""Who may see what: data policies on columns, row access policies, and how they are enforced."""
