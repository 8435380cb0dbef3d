"""Where and when: order, storage and cluster, and the doors through which people come in."""
