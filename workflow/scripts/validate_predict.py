"""Let the trained networks together predict and decode the test TRs."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.train.predict import predict_study
    from giblet.validate.delays import voxel_delays
    from giblet.validate.predictions import write_predictions

    folders = [Path(model).parent for model in j.input.models]
    predicted = predict_study(j.input.study, folders)
    delay_s = voxel_delays(folders)
    write_predictions(j.input.study, j.output.predictions, predicted, delay_s=delay_s)
