"""Let the trained networks together predict and decode the test TRs."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.train.predict import predict_study
    from giblet.validate.predictions import write_predictions

    predicted = predict_study(j.input.study, [Path(model).parent for model in j.input.models])
    write_predictions(j.input.study, j.output.predictions, predicted)
