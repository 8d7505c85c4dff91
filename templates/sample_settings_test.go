package templates

func settingSamples() []sample { return nil }
