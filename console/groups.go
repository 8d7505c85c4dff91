package console

func groupRoutes() []Route { return nil }
