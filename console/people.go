package console

func peopleRoutes() []Route { return nil }
