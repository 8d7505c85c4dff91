package console

func clientRoutes() []Route { return nil }
