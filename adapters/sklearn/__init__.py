"""scikit-learn's `MLPClassifier` and `MLPRegressor`."""
