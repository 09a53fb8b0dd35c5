# Prints what this Windows has, as JSON, for the agent (renkei.agent.updates.tools). Changes nothing, needs no administrator.
$ErrorActionPreference = 'Stop'
$servicing = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion'
$current = Get-ItemProperty -Path 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'

# What Windows lists as installed; a cumulative update takes the place of the one before.
$updates = @(Get-CimInstance -ClassName Win32_QuickFixEngineering | ForEach-Object { $_.HotFixID } |
    Where-Object { $_ -match '^KB[1-9][0-9]{5,8}$' } | Sort-Object -Unique)

# 1, 4 and 5 are what a battery says that nothing feeds (Win32_Battery.BatteryStatus).
$draining = @(Get-CimInstance -ClassName Win32_Battery | Where-Object { $_.BatteryStatus -in 1, 4, 5 })

# Counted up at each start. The time of the last start would move with the clock, and stands in where nobody counts.
$counter = 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters'
$boot = (Get-ItemProperty -Path $counter -ErrorAction SilentlyContinue).BootId
if ($null -eq $boot) {
    $boot = (Get-CimInstance -ClassName Win32_OperatingSystem).LastBootUpTime.ToUniversalTime().ToString('yyyyMMddHHmm')
}

# The antivirus may be another maker's, or be switched off: then nothing is said of its patterns.
$patterns = $null
try {
    $defender = Get-MpComputerStatus
    if ($defender.AMServiceEnabled -and $defender.AntivirusSignatureLastUpdated) {
        $patterns = [ordered]@{
            version = [string]$defender.AntivirusSignatureVersion
            made_at = $defender.AntivirusSignatureLastUpdated.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ')
        }
    }
} catch { $patterns = $null }

ConvertTo-Json -Compress -InputObject ([ordered]@{
    build           = '{0}.{1}' -f $current.CurrentBuild, $current.UBR
    installed       = [string[]]$updates
    free_bytes      = [long](Get-PSDrive -Name $env:SystemDrive.Substring(0, 1)).Free
    on_mains        = $draining.Count -eq 0
    restart_pending = (Test-Path "$servicing\Component Based Servicing\RebootPending") -or
        (Test-Path "$servicing\WindowsUpdate\Auto Update\RebootRequired")
    boot            = [string]$boot
    patterns        = $patterns
})
