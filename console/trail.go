package console

func trailRoutes() []Route { return nil }
