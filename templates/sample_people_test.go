package templates

func peopleSamples() []sample { return nil }
