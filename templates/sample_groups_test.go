package templates

func groupSamples() []sample { return nil }
