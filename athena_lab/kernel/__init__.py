"""Inside the analyst's kernel: `%%athena`, its results, and the kernel's own start."""
