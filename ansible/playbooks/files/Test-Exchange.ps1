# Has the agent exchange once, now, and prints as JSON whether that worked (ansible/playbooks/tasks/apply_windows.yml). Where the link
# is by medium nothing goes over a line: there the agent must answer. Ends well in any case; `problem` says what is wrong.
$ErrorActionPreference = 'Stop'

function Write-Said([bool] $Exchanged, [string] $Problem) {
    ConvertTo-Json -Compress -InputObject ([ordered]@{ exchanged = $Exchanged; problem = $Problem })
}

$agent = Join-Path $env:ProgramFiles 'Renkei\renkei-agent.cmd'
if (-not (Test-Path $agent)) {
    Write-Said $false 'no agent is installed'
    return
}

# What a program writes to its error stream is no error of this script.
$ErrorActionPreference = 'Continue'
$begun = [datetime]::UtcNow.AddSeconds(-1)
$said = (& $agent exchange --patience 120 2>&1 | Out-String).Trim()
$status = $null
try { $status = (& $agent status --json 2>$null | Out-String) | ConvertFrom-Json } catch { $said = "status: $_" }

if ($null -eq $status) {
    Write-Said $false "the agent doesn't answer: $said"
} elseif ($status.link -eq 'media') {
    Write-Said $true ''
} elseif ($null -ne $status.last_exchange_at -and ([datetime]$status.last_exchange_at).ToUniversalTime() -ge $begun) {
    Write-Said $true ''
} else {
    Write-Said $false "no exchange works: $said"
}
