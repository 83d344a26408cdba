"""Let the trained network predict and decode the test TRs."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.train.predict import predict_study
    from giblet.validate.delays import voxel_delays
    from giblet.validate.predictions import write_predictions

    folder = Path(j.input.model).parent
    predicted = predict_study(j.input.study, folder)
    delay_s = voxel_delays(folder)
    write_predictions(j.input.study, j.output.predictions, predicted, delay_s=delay_s)
