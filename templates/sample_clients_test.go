package templates

func clientSamples() []sample { return nil }
