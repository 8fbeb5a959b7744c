"""The wire protocol of PODs and cloud, both halves. Pure: the caller brings rows, clocks, keys and chance."""
