package templates

func trailSamples() []sample { return nil }
